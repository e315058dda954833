package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// apiKey finds the key to call the server with. There is no flag for the key
// itself: a command line can be read by every process of the machine.
func (c *cli) apiKey(to *connection, data string) (string, error) {
	if to.keyFile != "" {
		return readKey(to.keyFile, "--key-file", "Check the path, or leave --key-file out to use the data directory's key.")
	}
	if path, ok := c.lookupEnv(envKeyFile); ok && path != "" {
		return readKey(path, "$"+envKeyFile, "Check the path, or unset the variable to use the data directory's key.")
	}
	if key, ok := c.lookupEnv(envKey); ok && key != "" {
		return parseKey(key, "$"+envKey)
	}
	return readKey(filepath.Join(data, "keys", to.keyName()), "the data directory",
		"`verdict serve` makes its keys on first start. Name its data directory with --data, or a key with --key-file; `verdict key create --offline` makes one while the server is stopped.")
}

func readKey(path, from, fix string) (string, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", noKey("there is no API key at "+path+" (from "+from+")", fix, err)
	case errors.Is(err, fs.ErrPermission):
		return "", noKey("the API key at "+path+" (from "+from+") is not yours to read", "Run as the user the server runs as, or name a key of your own with --key-file.", err)
	case err != nil:
		return "", noKey("the API key (from "+from+") cannot be read: "+err.Error(), fix, err)
	}
	return parseKey(string(text), path)
}

// parseKey takes the key out of text, without ever showing it.
func parseKey(text, from string) (string, error) {
	key := strings.TrimSpace(text)
	if !strings.HasPrefix(key, "vk_") || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", noKey(from+" does not hold an API key", "A key is one line that starts with vk_; `verdict key create` makes one.", nil)
	}
	return key, nil
}

func noKey(message, fix string, cause error) *failure {
	return &failure{status: exitForbidden, code: authz.CodeUnauthenticated, message: message, fix: fix, cause: cause}
}
