# What a person or a machine asks of this project. `make test` is the one to run before and after a change.

.PHONY: help test acceptance demo lab contract examples dashboards page metrics rules deployables charts terraform compose image documents attack mutants deny pictures

help:                 ## say what there is
	@sed -n 's/^\([a-z]*\): *## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

test:                 ## everything that must hold at all times; installs what it needs; 25 minutes at most, from nothing
	@.ci/test

acceptance:           ## what takes longer: long runs, measured budgets, mutants of the formulas
	@.ci/acceptance

demo:                 ## measure three simulated stores; look at http://127.0.0.1:9746/
	cargo run --locked -- demo

lab:                  ## serve three regional DynamoDB endpoints with injected replication lag
	cargo run --locked --example lab

contract:             ## the gauge against another DynamoDB server than the tests' own
	@.ci/test contract

examples:             ## applications that ask the gauge, and what they would do without it
	@.ci/test examples

dashboards:           ## whether Grafana's types take the dashboards, and their panels mean what they say and show something
	@.ci/test dashboards

page:                 ## the page at / in Chromium: stalls, keyboards, screen readers, thirty regions of ten stores
	@.ci/test page

metrics:              ## what Prometheus would scrape, past promtool
	@.ci/test metrics

rules:                ## the alerts for Prometheus, tried with promtool, and the examples beside them
	@.ci/test rules

deployables:          ## the manifests, the policies, the Dockerfile and the unit, and the settings inside them
	@.ci/test deployables

compose:              ## what deploy/compose starts, as processes: the demo, Prometheus and an Alertmanager
	@.ci/test compose

image:                ## build the image as the Dockerfile says and run it, without Docker; needs root and 5 GB
	@.ci/acceptance image

terraform:            ## the modules in deploy/terraform, past Terraform, their tests and checkov
	@.ci/test terraform checkov

charts:               ## the Helm charts, with Helm: what they make, and what they refuse
	@.ci/test charts

documents:            ## every metric described, every link alive
	@.ci/test documents

attack:               ## slow headers, large bodies, thousands of connections: the gauge measures and answers all the same
	@.ci/acceptance attack

mutants:              ## change the formulas, see the tests fail
	@.ci/acceptance mutants

deny:                 ## licences, advisories and sources of what this is built from
	@.ci/acceptance deny

pictures:             ## draw the dashboards with Grafana's components, anew, into docs/pictures
	@.ci/acceptance pictures
