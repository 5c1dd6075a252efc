# The first two links of a longer property chain.
# rule: prp-spo2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX on: <https://w3id.org/ontune#>

INSERT { ?x ?link ?z }
WHERE {
  ?chained owl:propertyChainAxiom ?first .
  ?first rdf:first ?p ; rdf:rest ?second .
  ?second rdf:first ?q ; on:link ?link .
  ?x ?p ?y .
  ?y ?q ?z .
  FILTER NOT EXISTS { ?x ?link ?z }
}
