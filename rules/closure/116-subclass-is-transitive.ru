# The subclass relation is transitive.
# rule: scm-sco

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?c rdfs:subClassOf ?d }
WHERE {
  ?c rdfs:subClassOf ?between .
  ?between rdfs:subClassOf ?d .
  FILTER(?c != ?d)
  FILTER NOT EXISTS { ?c rdfs:subClassOf ?d }
}
