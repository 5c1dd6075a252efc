# One individual is stated to be different from itself.
# rule: eq-diff1

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "eq-diff1" ; rdfs:label "one individual is stated to be different from itself" ;
    on:premise [ rdf:subject ?x ; rdf:predicate owl:sameAs ; rdf:object ?y ] ,
       [ rdf:subject ?x ; rdf:predicate owl:differentFrom ; rdf:object ?y ] .
}
WHERE {
  { ?x owl:differentFrom ?y . ?x owl:sameAs ?y } UNION { ?x owl:differentFrom ?y . FILTER(?x = ?y) }
}
