# The same property by another name has the same values.
# rule: eq-rep-p

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x ?q ?y }
WHERE {
  ?p owl:sameAs ?q .
  FILTER(?p != ?q)
  ?x ?p ?y .
  FILTER NOT EXISTS { ?x ?q ?y }
}
