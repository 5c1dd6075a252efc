# A functional property has two different literal values.
# rule: prp-fp, dt-diff

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "prp-fp, dt-diff" ; rdfs:label "a functional property has two different literal values" ;
    on:premise [ rdf:subject ?p ; rdf:predicate rdf:type ; rdf:object owl:FunctionalProperty ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?y ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?z ] .
}
WHERE {
  ?p a owl:FunctionalProperty .
  ?x ?p ?y , ?z .
  FILTER(isLiteral(?y) && isLiteral(?z) && ?y != ?z)
}
