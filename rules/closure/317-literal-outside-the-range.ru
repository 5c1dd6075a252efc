# A literal is of a datatype that the range of its property excludes.
# rule: prp-rng, dt-not-type

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "prp-rng, dt-not-type" ; rdfs:label "a literal is of a datatype that the range of its property excludes" ;
    on:premise [ rdf:subject ?p ; rdf:predicate rdfs:range ; rdf:object ?range ] ,
       [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?value ] .
}
WHERE {
  VALUES (?range ?family) {
    (xsd:string "text") (xsd:boolean "truth") (xsd:integer "number") (xsd:decimal "number") (xsd:double "double") (xsd:float "float")
    (xsd:nonNegativeInteger "number") (xsd:positiveInteger "number") (xsd:date "date") (xsd:dateTime "time") (xsd:anyURI "address")
  }
  ?p rdfs:range ?range .
  ?x ?p ?value .
  FILTER(isLiteral(?value))
  BIND(DATATYPE(?value) AS ?datatype)
  VALUES (?datatype ?other) {
    (xsd:string "text") (rdf:langString "tagged") (xsd:boolean "truth") (xsd:integer "number") (xsd:decimal "number") (xsd:double "double")
    (xsd:float "float") (xsd:nonNegativeInteger "number") (xsd:positiveInteger "number") (xsd:date "date") (xsd:dateTime "time")
    (xsd:anyURI "address")
  }
  FILTER(?family != ?other)
}
