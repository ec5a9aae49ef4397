// Reads a Dockerfile as BuildKit does, without an engine and without asking a registry, and prints what it found as
// JSON: the findings of BuildKit's own linter, the configuration of each target's image, and what is copied from the
// context, by which stage, and which files that is after .dockerignore.
//
//	dockerfile-check DOCKERFILE CONTEXT (TARGET | ARG=VALUE)…
//
// Base images count as empty. tools/deploy/dockerfile.sh builds and runs it, and says what must be so.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/opencontainers/go-digest"
)

type emptyImages struct{}

func (emptyImages) ResolveImageConfig(
	_ context.Context, ref string, _ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux","config":{}}`)
	return ref, digest.FromBytes(config), config, nil
}

type copied struct {
	Stage       string   `json:"stage"`
	Source      string   `json:"source"`
	Destination string   `json:"destination"`
	Files       []string `json:"files"`
}

type report struct {
	Lint   []string                   `json:"lint"`
	Images map[string]json.RawMessage `json:"images"`
	Copies []copied                   `json:"copies"`
	Runs   []string                   `json:"runs"`
}

func main() {
	if len(os.Args) < 4 {
		fail("usage: dockerfile-check DOCKERFILE CONTEXT (TARGET | ARG=VALUE)…")
	}
	arguments := map[string]string{}
	var targets []string
	for _, word := range os.Args[3:] {
		if name, value, found := strings.Cut(word, "="); found {
			arguments[name] = value
		} else {
			targets = append(targets, word)
		}
	}
	text, err := os.ReadFile(os.Args[1])
	check(err)
	out := report{Images: map[string]json.RawMessage{}}
	source := llb.NewSourceMap(nil, os.Args[1], "Dockerfile", text)
	source.Definition = &llb.Definition{}
	options := func(target string) dockerfile2llb.ConvertOpt {
		config := dockerui.Config{Target: target, BuildArgs: arguments}
		return dockerfile2llb.ConvertOpt{Config: config, SourceMap: source, MetaResolver: emptyImages{}}
	}

	lint, err := dockerfile2llb.DockerfileLint(context.Background(), text, options(""))
	check(err)
	if lint.Error != nil {
		fail(lint.Error.Message)
	}
	for _, warning := range lint.Warnings {
		line := int32(0)
		if ranges := warning.Location.GetRanges(); len(ranges) > 0 {
			line = ranges[0].GetStart().GetLine()
		}
		out.Lint = append(out.Lint, fmt.Sprintf("line %d: %s: %s", line, warning.RuleName, warning.Detail))
	}
	for _, target := range targets {
		result, err := dockerfile2llb.Dockerfile2LLB(context.Background(), text, options(target))
		check(err)
		out.Images[target], err = json.Marshal(result.Image)
		check(err)
	}

	parsed, err := parser.Parse(bytes.NewReader(text))
	check(err)
	stages, _, err := instructions.Parse(parsed.AST, nil)
	check(err)
	files := sentFiles(os.Args[2])
	for _, stage := range stages {
		for _, command := range stage.Commands {
			switch command := command.(type) {
			case *instructions.CopyCommand:
				if command.From == "" {
					for _, source := range command.SourcePaths {
						out.Copies = append(out.Copies, copied{stage.Name, source, command.DestPath, under(files, source)})
					}
				}
			case *instructions.RunCommand:
				out.Runs = append(out.Runs, strings.Join(command.CmdLine, " "))
			}
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	check(encoder.Encode(out))
}

// All files of the context that a client sends to the engine.
func sentFiles(root string) []string {
	ignore, err := os.Open(filepath.Join(root, ".dockerignore"))
	check(err)
	defer ignore.Close()
	patterns, err := ignorefile.ReadAll(ignore)
	check(err)
	matcher, err := patternmatcher.New(patterns)
	check(err)
	var files []string
	check(filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil || relative == "." {
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(relative)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// Big, and not sent as a whole; others may hold exceptions.
			if ignored && (relative == "target" || relative == ".git") {
				return filepath.SkipDir
			}
			return nil
		}
		if !ignored {
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	}))
	sort.Strings(files)
	return files
}

func under(files []string, source string) []string {
	source = path.Clean(source)
	found := []string{}
	for _, file := range files {
		if source == "." || file == source || strings.HasPrefix(file, source+"/") {
			found = append(found, file)
		}
	}
	return found
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "dockerfile-check:", message)
	os.Exit(1)
}
