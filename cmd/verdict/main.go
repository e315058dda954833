package main

import (
	"os"
	"time"
)

func main() {
	c := &cli{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environ: os.Environ(),
		now:     time.Now,
	}
	os.Exit(int(c.run(interruptible(), os.Args[1:])))
}
