# Two disjoint classes share a member.
# rule: cax-dw

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "cax-dw" ; rdfs:label "two disjoint classes share a member" ;
    on:premise [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?c ] ,
       [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?d ] ,
       [ rdf:subject ?c ; rdf:predicate owl:disjointWith ; rdf:object ?d ] .
}
WHERE {
  ?c owl:disjointWith ?d .
  ?x a ?c , ?d .
}
