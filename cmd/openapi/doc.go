// Command openapi writes the OpenAPI document that the server serves: server/openapi.yaml.
//
//	go run ./cmd/openapi [-o FILE]      in the root of the module; `make generate` runs it
//
// Its paths are the rows that the rooms mount (package route). Its schemas are the Go
// types of their bodies and answers, with the doc comments of those types and fields;
// what a member may be beside its type is in constraints.yaml, and what neither the rows
// nor the types can tell in words is in prose.yaml. A name in either that no row or type
// has is an error, so that nothing stays behind.
//
// It is no part of the product: the server embeds what it wrote.
package main
