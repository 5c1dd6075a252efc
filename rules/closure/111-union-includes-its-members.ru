# Each member of a union is a subclass of it.
# rule: scm-uni

PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX owl: <http://www.w3.org/2002/07/owl#>

INSERT { ?member rdfs:subClassOf ?union }
WHERE {
  ?union owl:unionOf/rdf:rest*/rdf:first ?member .
  FILTER NOT EXISTS { ?member rdfs:subClassOf ?union }
}
