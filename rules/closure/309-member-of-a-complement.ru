# An individual is in a class and in its complement.
# rule: cls-com

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "cls-com" ; rdfs:label "an individual is in a class and in its complement" ;
    on:premise [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?c ] ,
       [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?d ] ,
       [ rdf:subject ?c ; rdf:predicate owl:complementOf ; rdf:object ?d ] .
}
WHERE {
  ?c owl:complementOf ?d .
  ?x a ?c , ?d .
}
