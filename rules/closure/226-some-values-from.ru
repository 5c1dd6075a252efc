# What has a value in the filler of a someValuesFrom restriction is a member of it.
# rule: cls-svf1

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x a ?c }
WHERE {
  ?c owl:someValuesFrom ?filler ; owl:onProperty ?p .
  ?x ?p ?y .
  ?y a ?filler .
  FILTER NOT EXISTS { ?x a ?c }
}
