# A domain holds for its superclasses and for subproperties.
# rule: scm-dom1, scm-dom2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?p rdfs:domain ?c }
WHERE {
  { ?p rdfs:domain/rdfs:subClassOf ?c }
  UNION
  { ?p rdfs:subPropertyOf/rdfs:domain ?c }
  FILTER NOT EXISTS { ?p rdfs:domain ?c }
}
