# A range holds for its superclasses and for subproperties.
# rule: scm-rng1, scm-rng2

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?p rdfs:range ?c }
WHERE {
  { ?p rdfs:range/rdfs:subClassOf ?c }
  UNION
  { ?p rdfs:subPropertyOf/rdfs:range ?c }
  FILTER NOT EXISTS { ?p rdfs:range ?c }
}
