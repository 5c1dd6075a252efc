# The first two links of a longer property chain; the graph named by a list cell keeps what is reached up to that cell.
# rule: prp-spo2
# trigger: owl:propertyChainAxiom
# reads: property
# writes: chain

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX on: <https://w3id.org/ontune#>

INSERT { GRAPH ?second { ?x on:reaches ?z } }
WHERE {
  ?chained owl:propertyChainAxiom ?first .
  ?first rdf:first ?p ; rdf:rest ?second .
  ?second rdf:first ?q ; rdf:rest ?third .
  ?third rdf:first ?r .
  ?x ?p ?y .
  ?y ?q ?z .
  FILTER NOT EXISTS { GRAPH ?second { ?x on:reaches ?z } }
}
