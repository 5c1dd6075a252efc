# A symmetric property holds in both directions.
# rule: prp-symp

PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?y ?p ?x }
WHERE {
  ?p a owl:SymmetricProperty .
  ?x ?p ?y .
  FILTER NOT EXISTS { ?y ?p ?x }
}
