# A literal is not of the datatype that it names.
# rule: dt-not-type

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX xsd: <http://www.w3.org/2001/XMLSchema#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
PREFIX on: <https://w3id.org/ontune#>

INSERT {
  [] a on:Inconsistency ; skos:notation "dt-not-type" ; rdfs:label "a literal is not of the datatype that it names" ;
    on:premise [ rdf:subject ?x ; rdf:predicate ?p ; rdf:object ?value ] .
}
WHERE {
  ?x ?p ?value .
  FILTER(isLiteral(?value))
  BIND(DATATYPE(?value) AS ?datatype)
  FILTER(?datatype NOT IN (xsd:string, rdf:langString))
  FILTER(
    ?datatype IN (xsd:integer, xsd:decimal, xsd:double, xsd:float, xsd:int, xsd:long, xsd:short, xsd:byte,
                  xsd:nonNegativeInteger, xsd:positiveInteger, xsd:nonPositiveInteger, xsd:negativeInteger,
                  xsd:unsignedLong, xsd:unsignedInt, xsd:unsignedShort, xsd:unsignedByte) && !isNumeric(?value)
    || ?datatype = xsd:boolean && !COALESCE(xsd:boolean(STR(?value)) IN (true, false), false)
    || ?datatype = xsd:dateTime && !COALESCE(YEAR(?value) = YEAR(?value), false)
    || ?datatype = xsd:date && !COALESCE(xsd:date(STR(?value)) = ?value, false)
  )
}
