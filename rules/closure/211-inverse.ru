# Inverse properties hold in both directions.
# rule: prp-inv1, prp-inv2

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y ?q ?x }
WHERE {
  ?p owl:inverseOf|^owl:inverseOf ?q .
  ?x ?p ?y .
  FILTER NOT EXISTS { ?y ?q ?x }
}
