# A value where none is allowed.
# rule: cls-maxc1

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "cls-maxc1" ; rdfs:label "a value where none is allowed" ;
    on:premise [ rdf:subject ?x ; rdf:predicate rdf:type ; rdf:object ?c ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?y ] ,
       [ rdf:subject ?c ; rdf:predicate owl:maxCardinality ; rdf:object ?most ] .
}
WHERE {
  ?c owl:maxCardinality ?most ; owl:onProperty ?p .
  FILTER(?most = 0)
  ?x a ?c ; ?p ?y .
}
