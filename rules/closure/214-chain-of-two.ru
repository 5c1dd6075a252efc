# A property chain of two links.
# rule: prp-spo2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?x ?chained ?z }
WHERE {
  ?chained owl:propertyChainAxiom ?first .
  ?first rdf:first ?p ; rdf:rest ?second .
  ?second rdf:first ?q ; rdf:rest rdf:nil .
  ?y ?q ?z .
  ?x ?p ?y .
  FILTER NOT EXISTS { ?x ?chained ?z }
}
