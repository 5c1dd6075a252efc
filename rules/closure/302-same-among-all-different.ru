# Two of several individuals that all differ are the same.
# rule: eq-diff2, eq-diff3

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "eq-diff2, eq-diff3" ; rdfs:label "two of several individuals that all differ are the same" ;
    on:premise [ rdf:subject ?all ; rdf:predicate rdf:type ; rdf:object owl:AllDifferent ] ,
       [ rdf:subject ?x ; rdf:predicate owl:sameAs ; rdf:object ?y ] .
}
WHERE {
  ?all a owl:AllDifferent ; owl:members|owl:distinctMembers ?list .
  ?list rdf:rest*/rdf:first ?x , ?y .
  FILTER(?x != ?y)
  ?x owl:sameAs ?y .
}
