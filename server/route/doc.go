// Package route is the table in which the rooms of the server declare their routes.
//
// A Row has the roles, the parameters, the body and the responses of one route. The route
// itself (Table.Mount) and its part of the OpenAPI document are made from it, so that they
// cannot differ.
//
// # The order of checks
//
//	role   one of Row.Roles, or the role of Row.Change
//	query  only parameters that the row names, each as its Kind has it
//	path   each id in it is one
//	body   its media type; JSON read strictly
//
// and then the Handler is called. For a row with a Change, an error of these is passed to
// Table.Refused, once; after Call.Ask that is up to the room that makes the change. A
// caller without a valid key never gets here.
package route
