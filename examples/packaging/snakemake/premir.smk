# A rule for Snakemake: hits of genomes/NAME.fa.gz.
#
#   include: "premir.smk"
#   rule all: input: expand("hits/{name}.bed.gz", name=NAMES)
#
# The run directory lies beside the output and is kept where a job fails, so that `--rerun-incomplete` goes on.
rule premir_scan:
    input:
        "genomes/{name}.fa.gz",
    output:
        bed="hits/{name}.bed.gz",
        index="hits/{name}.bed.gz.tbi",
        summary="hits/{name}.bed.gz.summary.json",
    params:
        options=config.get("premir", ""),
    log:
        "logs/premir/{name}.log",
    threads: 4
    resources:
        mem_mb=4000,
    shell:
        "premir-scan {input} --out {output.bed} --sort coordinate --threads {threads} --quiet"
        " --log-file {log} {params.options}"
