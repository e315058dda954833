// Package route is the table that the rooms of the server declare what they serve in.
//
// A Row says of one route who may ask, what the path and the query string have, what
// body is taken and what is answered. From it come the route itself (Table.Mount) and
// its part of the OpenAPI document, so that neither can tell something else than the
// other.
//
// # In what order a request is looked at
//
//	role   one of Row.Roles, or the role of Row.Change
//	query  only parameters that the row names, each as its Kind has it
//	path   each id in it is one
//	body   its media type; JSON read strictly
//
// and then the Handler answers. Of a row that asks for a change, what is refused on the
// way is handed to Table.Refused, once; after Call.Ask it is whoever makes the change
// who sees to that. A caller without a valid key never comes here.
package route
