# An asymmetric property holds in both directions.
# rule: prp-asyp

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "prp-asyp" ; rdfs:label "an asymmetric property holds in both directions" ;
    on:premise [ rdf:subject ?p ; rdf:predicate rdf:type ; rdf:object owl:AsymmetricProperty ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?y ] ,
       [ rdf:subject ?y ; rdf:predicate ?p ; rdf:object ?x ] .
}
WHERE {
  ?p a owl:AsymmetricProperty .
  ?x ?p ?y .
  ?y ?p ?x .
}
