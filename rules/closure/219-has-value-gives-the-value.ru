# A member of a hasValue restriction has that value.
# rule: cls-hv1

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x ?p ?value }
WHERE {
  ?c owl:hasValue ?value ; owl:onProperty ?p .
  ?x a ?c .
  FILTER NOT EXISTS { ?x ?p ?value }
}
