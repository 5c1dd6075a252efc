# Two values where at most one is allowed are the same individual.
# rule: cls-maxc2

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y owl:sameAs ?z }
WHERE {
  ?c owl:maxCardinality ?most ; owl:onProperty ?p .
  FILTER(?most = 1)
  ?x a ?c ; ?p ?y , ?z .
  FILTER(?y != ?z && !isLiteral(?y) && !isLiteral(?z))
  FILTER NOT EXISTS { ?y owl:sameAs ?z }
}
