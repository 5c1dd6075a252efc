# Two values of a class where at most one is allowed are the same individual.
# rule: cls-maxqc3, cls-maxqc4

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y owl:sameAs ?z }
WHERE {
  ?c owl:maxQualifiedCardinality ?most ; owl:onProperty ?p ; owl:onClass ?d .
  FILTER(?most = 1)
  ?x a ?c ; ?p ?y , ?z .
  FILTER(?y != ?z && !isLiteral(?y) && !isLiteral(?z))
  FILTER(?d = owl:Thing || EXISTS { ?y a ?d . ?z a ?d })
  FILTER NOT EXISTS { ?y owl:sameAs ?z }
}
