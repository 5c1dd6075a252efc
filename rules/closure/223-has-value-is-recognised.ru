# What has the value of a hasValue restriction is a member of it.
# rule: cls-hv2

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x a ?c }
WHERE {
  ?c owl:hasValue ?value ; owl:onProperty ?p .
  ?x ?p ?value .
  FILTER NOT EXISTS { ?x a ?c }
}
