package main

import "strings"

// secretSource is where a secret is read from: standard input or a file, "" when
// neither flag was given. The flag of its own name takes only -, because every
// process of the machine can read a command line.
func secretSource(flag, value, file string) (string, error) {
	switch {
	case value != "" && value != "-":
		return "", usage("--"+flag+" takes only -, to read it from standard input: a command line can be read by every process of the machine",
			"Pipe it in with --"+flag+" -, or name a file with --"+flag+"-file.")
	case value == "-":
		return "-", nil
	}
	return file, nil
}

// readSecret reads the one line that a secret is.
func (c *cli) readSecret(what, source string) (string, error) {
	data, err := readInput(source, c.in)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", usage("there is no "+what+" in "+inputName(source), "Check what was piped in or the file's name.")
	}
	return text, nil
}
