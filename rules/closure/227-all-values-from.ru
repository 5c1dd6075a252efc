# Every value of a member of an allValuesFrom restriction is in its filler.
# rule: cls-avf

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y a ?filler }
WHERE {
  ?c owl:allValuesFrom ?filler ; owl:onProperty ?p .
  ?x a ?c ; ?p ?y .
  FILTER(!isLiteral(?y))
  FILTER NOT EXISTS { ?y a ?filler }
}
