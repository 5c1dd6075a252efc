# Two different literal values where at most one is allowed.
# rule: cls-maxc2, dt-diff

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "cls-maxc2, dt-diff" ; rdfs:label "two different literal values where at most one is allowed" ;
    on:premise [ rdf:subject ?c ; rdf:predicate owl:maxCardinality ; rdf:object ?most ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?y ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?z ] .
}
WHERE {
  ?c owl:maxCardinality ?most ; owl:onProperty ?p .
  FILTER(?most = 1)
  ?x a ?c ; ?p ?y , ?z .
  FILTER(isLiteral(?y) && isLiteral(?z) && ?y != ?z)
}
