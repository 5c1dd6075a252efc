# Two of several disjoint classes share a member.
# rule: cax-adc

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "cax-adc" ; rdfs:label "two of several disjoint classes share a member" ;
    on:premise [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?c ] ,
       [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?d ] ,
       [ rdf:subject ?all ; rdf:predicate rdf:type ; rdf:object owl:AllDisjointClasses ] .
}
WHERE {
  ?all a owl:AllDisjointClasses ; owl:members ?list .
  ?list rdf:rest*/rdf:first ?c , ?d .
  FILTER(?c != ?d)
  ?x a ?c , ?d .
}
