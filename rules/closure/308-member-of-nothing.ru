# The empty class has a member.
# rule: cls-nothing2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "cls-nothing2" ; rdfs:label "the empty class has a member" ;
    on:premise [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object owl:Nothing ] .
}
WHERE {
  ?x a owl:Nothing .
}
