process PREMIR_SCAN {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container 'premir:0.2.0'

    input:
    tuple val(meta), path(fasta)

    output:
    tuple val(meta), path("${prefix}.bed.gz"), emit: bed
    tuple val(meta), path("${prefix}.bed.gz.{tbi,csi}"), emit: index
    tuple val(meta), path("${prefix}.bed.gz.summary.json"), emit: summary
    path 'versions.yml', emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    premir-scan ${fasta} \\
        --out ${prefix}.bed.gz \\
        --sort coordinate \\
        --threads ${task.cpus} \\
        --quiet \\
        ${args}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        premir: \$(premir-scan --version | sed 's/premir //')
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    echo | gzip > ${prefix}.bed.gz
    touch ${prefix}.bed.gz.tbi ${prefix}.bed.gz.summary.json

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        premir: \$(premir-scan --version | sed 's/premir //')
    END_VERSIONS
    """
}
