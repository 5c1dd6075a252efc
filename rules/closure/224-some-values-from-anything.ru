# What has a value is a member of the someValuesFrom restriction whose filler is everything.
# rule: cls-svf2

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x a ?c }
WHERE {
  ?c owl:someValuesFrom owl:Thing ; owl:onProperty ?p .
  ?x ?p ?y .
  FILTER NOT EXISTS { ?x a ?c }
}
