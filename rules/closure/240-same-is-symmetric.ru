# Sameness holds in both directions.
# rule: eq-sym

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y owl:sameAs ?x }
WHERE {
  ?x owl:sameAs ?y .
  FILTER NOT EXISTS { ?y owl:sameAs ?x }
}
