package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// confirm asks a person whether to go on, unless yes was given. Without a terminal
// no question can be asked, and nothing is done. What is confirmed is one or more
// lines, the last of which is the question.
func (c *cli) confirm(ctx context.Context, yes bool, what string) error {
	if yes {
		return nil
	}
	if !isTerminal(c.in) {
		return usage("this needs to be confirmed, and there is no terminal to ask on: "+lastLine(what),
			"Repeat it with --yes when that is what you want.")
	}
	if err := writeAll(c.err, []byte(printableLines(what)+" [y/N] ")); err != nil {
		return err
	}
	answer, err := readLine(ctx, c.in)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &failure{status: exitError, code: authz.CodePrecondition, message: "nothing was done: the answer was not yes"}
}

func lastLine(text string) string {
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// readLine reads a line, or until ctx ends. What it waits for then goes on waiting
// until the process ends.
func readLine(ctx context.Context, from io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(from).ReadString('\n')
		if err == io.EOF {
			err = nil // the end of input is an answer too: not yes
		}
		read <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-read:
		if r.err != nil {
			return "", fmt.Errorf("reading the answer: %w", r.err)
		}
		return r.line, nil
	}
}
