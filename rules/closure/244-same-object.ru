# A value is also a value by its other names.
# rule: eq-rep-o

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x ?p ?z }
WHERE {
  ?y owl:sameAs ?z .
  FILTER(?y != ?z)
  ?x ?p ?y .
  FILTER(?p != owl:sameAs)
  FILTER NOT EXISTS { ?x ?p ?z }
}
