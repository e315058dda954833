package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	c := &cli{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environ: os.Environ(),
		now:     time.Now,
	}
	os.Exit(int(c.run(ctx, os.Args[1:])))
}
