# Sameness is transitive.
# rule: eq-trans

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x owl:sameAs ?z }
WHERE {
  ?x owl:sameAs ?y .
  ?y owl:sameAs ?z .
  FILTER(?x != ?z)
  FILTER NOT EXISTS { ?x owl:sameAs ?z }
}
