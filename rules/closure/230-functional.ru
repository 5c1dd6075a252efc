# Two values of a functional property are the same individual.
# rule: prp-fp

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y owl:sameAs ?z }
WHERE {
  ?p a owl:FunctionalProperty .
  ?x ?p ?y , ?z .
  FILTER(?y != ?z && !isLiteral(?y) && !isLiteral(?z))
  FILTER NOT EXISTS { ?y owl:sameAs ?z }
}
