# What is said of an individual is said of the same individual by its other names.
# rule: eq-rep-s

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y ?p ?value }
WHERE {
  ?x owl:sameAs ?y .
  FILTER(?x != ?y)
  ?x ?p ?value .
  FILTER(?p != owl:sameAs)
  FILTER NOT EXISTS { ?y ?p ?value }
}
