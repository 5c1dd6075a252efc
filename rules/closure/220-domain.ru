# What has a value of a property is in the property's domain.
# rule: prp-dom

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?x a ?c }
WHERE {
  ?p rdfs:domain ?c .
  ?x ?p ?y .
  FILTER NOT EXISTS { ?x a ?c }
}
