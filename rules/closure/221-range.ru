# A value of a property is in the property's range.
# rule: prp-rng

PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>

INSERT { ?y a ?c }
WHERE {
  ?p rdfs:range ?c .
  ?x ?p ?y .
  FILTER(!isLiteral(?y))
  FILTER NOT EXISTS { ?y a ?c }
}
