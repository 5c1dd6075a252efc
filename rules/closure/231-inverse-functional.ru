# Two subjects of one value of an inverse functional property are the same individual.
# rule: prp-ifp

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x owl:sameAs ?y }
WHERE {
  ?p a owl:InverseFunctionalProperty .
  ?x ?p ?value .
  ?y ?p ?value .
  FILTER(?x != ?y)
  FILTER NOT EXISTS { ?x owl:sameAs ?y }
}
