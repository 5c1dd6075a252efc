# Two of several disjoint properties relate the same pair.
# rule: prp-adp

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "prp-adp" ; rdfs:label "two of several disjoint properties relate the same pair" ;
    on:premise [ rdf:subject ?all ; rdf:predicate rdf:type ; rdf:object owl:AllDisjointProperties ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?y ] ,
       [ rdf:subject ?x ; rdf:predicate ?q ; rdf:object ?y ] .
}
WHERE {
  ?all a owl:AllDisjointProperties ; owl:members ?list .
  ?list rdf:rest*/rdf:first ?p , ?q .
  FILTER(?p != ?q)
  ?x ?p ?y ; ?q ?y .
}
