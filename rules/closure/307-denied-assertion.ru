# A statement holds that is denied.
# rule: prp-npa1, prp-npa2

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "prp-npa1, prp-npa2" ; rdfs:label "a statement holds that is denied" ;
    on:premise [ rdf:subject ?denial ; rdf:predicate owl:assertionProperty ; rdf:object ?p ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?y ] .
}
WHERE {
  ?denial owl:sourceIndividual ?x ; owl:assertionProperty ?p ; owl:targetIndividual|owl:targetValue ?y .
  ?x ?p ?y .
}
