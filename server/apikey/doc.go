// Package apikey mints API keys and authenticates callers by them.
//
// A key is the text
//
//	vk_<id>_<secret>
//
// where <id> is the id of the stored authz.APIKey and <secret> is 32 random
// bytes in base64url without padding, always 43 characters. Both parts may hold
// underscores, so a key is split by length: the secret is the last 43
// characters, and the character before it is an underscore.
//
// Only the SHA-256 of the whole text is stored. A plain hash suffices because
// the secret has 256 random bits: there is no dictionary to try. It is compared
// in constant time, and an unknown id costs a comparison too. Neither the key
// nor any part of its secret appears in an error.
package apikey
