"""PaddlePaddle: programs of operators, in both of its formats, and the tensors beside them.

A program is a message (``framework.proto``) of blocks with operators, or, since Paddle 3, JSON with
the same operators under short names of their dialects. Some of them call Python of the process,
open files by names of their own, or talk to other machines. Tensors are one after the other in a
stream, which is walked by its lengths.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.bounded_json import objects_of, read_json
from hauberk.formats.pickle_values import printable
from hauberk.formats.protobuf import Field, Walk, fields, numbers
from hauberk.formats.remarks import Grade, Remark, Said, evasive
from hauberk.formats.spans import Span

PROGRAM = "Paddle program"
PARAMETERS = "Paddle parameters"

_RUNS = frozenset({"py_func", "py_layer", "run_program", "pylayer"})
"""Operators that call into Python of the loading process, or run a program handed to them."""

_REACHES = frozenset(
    """
    save save_combine load load_combine read_file send recv send_barrier fetch_barrier
    listen_and_serv fl_listen_and_serv heter_listen_and_serv send_and_recv checkpoint_notify
    distributed_lookup_table distributed_push_sparse push_dense pull_sparse pull_sparse_v2
    push_sparse push_sparse_v2 c_gen_nccl_id gen_nccl_id c_gen_bkcl_id c_comm_init
    c_comm_init_all create_custom_reader create_py_reader create_ctr_reader
    sparse_tensor_load lookup_sparse_table_read tdm_sampler enqueue dequeue queue_generator
    global_scatter send_v2 recv_v2 p_send p_recv rpc_call rpc_result
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
"""Operators that open files by names of their own, or talk to other machines."""

_KNOWN = frozenset(
    """
    abs accuracy acos acosh adadelta adagrad adam adamax adamw add add_n addmm affine_channel
    affine_grid all allclose amax amin anchor_generator angle any arange arg_max arg_min
    argmax argmin argsort array_length array_read array_to_tensor array_write_array arrays
    array_pop asin asinh assign assign_out_ assign_pos assign_value assign_value_ as_complex
    as_real atan atan2 atanh auc average_accumulates batch_fc batch_norm batch_norm_ bce_loss
    beam_search beam_search_decode bernoulli bicubic_interp bicubic_interp_v2 bilateral_slice
    bilinear_interp bilinear_interp_v2 bincount bipartite_match bitwise_and bitwise_not
    bitwise_or bitwise_xor bmm box_clip box_coder box_decoder_and_assign broadcast
    broadcast_tensors calculate_reduce_dim cast ceil celu center_loss check_finite_and_unscale
    cholesky cholesky_solve channel_shuffle clip clip_by_norm coalesce_tensor
    collect_fpn_proposals combine complex concat conditional_block conditional_block_infer
    conj constant constant_folding conv2d conv2d_fusion conv2d_transpose conv3d
    conv3d_transpose conv_shift copysign correlation cos cosh cos_sim crf_decoding crop
    crop_tensor cross cross_entropy cross_entropy2 cross_entropy_with_softmax ctc_align cumprod
    cumsum cummax cummin cvm data data_norm deformable_conv deformable_conv_v1
    deformable_psroi_pooling density_prior_box depend depthwise_conv2d
    depthwise_conv2d_transpose dequantize dequantize_abs_max dequantize_linear
    dequantize_log dequeue_ detection_map det diag diag_embed diag_v2 diagonal dgc digamma
    dist distribute_fpn_proposals divide dot dropout edit_distance eig eigh eigvals eigvalsh
    einsum elementwise_add elementwise_div elementwise_floordiv elementwise_fmax
    elementwise_fmin elementwise_max elementwise_min elementwise_mod elementwise_mul
    elementwise_pow elementwise_sub elementwise_heaviside elu embedding empty empty_like equal
    equal_all erf erfinv exp expand expand_as expand_as_v2 expand_v2 expm1 eye
    fake_channel_wise_dequantize_max_abs
    fake_channel_wise_quantize_abs_max fake_channel_wise_quantize_dequantize_abs_max
    fake_dequantize_max_abs fake_quantize_abs_max fake_quantize_dequantize_abs_max
    fake_quantize_dequantize_moving_average_abs_max fake_quantize_moving_average_abs_max
    fake_quantize_range_abs_max fc feed fetch fetch_v2 fft_c2c fft_c2r fft_r2c fill
    fill_any fill_any_like fill_constant fill_constant_batch_size_like fill_diagonal
    fill_diagonal_tensor fill_zeros_like fill_zeros_like2 flash_attn flatten flatten2
    flatten_contiguous_range flip floor floor_divide fmax fmin fold frac full full_
    full_batch_size_like full_int_array full_like full_with_tensor fused_attention
    fused_batch_norm_act fused_bias_act fused_bias_dropout_residual_layer_norm
    fused_bn_add_activation fused_elemwise_activation fused_embedding_eltwise_layernorm
    fused_embedding_seq_pool fused_fc_elementwise_layernorm fused_feedforward fused_gemm_epilogue
    fused_multi_transformer fused_rotary_position_embedding fused_softmax_mask
    fused_softmax_mask_upper_triangle fusion_gru fusion_lstm fusion_repeated_fc_relu
    fusion_seqconv_eltadd_relu fusion_seqpool_concat fusion_squared_mat_sub
    fusion_transpose_flatten_concat
    gather gather_nd gather_tree gaussian gaussian_random gaussian_random_batch_size_like gelu
    generate_proposals generate_proposals_v2 generate_proposal_labels get_tensor_from_selected_rows
    graph_send_recv greater_equal greater_than grid_sample grid_sampler group_norm gru gru_unit
    gumbel_softmax hard_shrink hard_sigmoid hard_swish hardshrink hardsigmoid hardswish hardtanh
    hash heaviside hierarchical_sigmoid hinge_loss histogram huber_loss i0 i0e i1 i1e identity_loss
    if im2sequence imag increment increment_ index_add index_put index_sample index_select
    inplace_abn instance_norm inverse is_empty isclose isfinite isfinite_v2 isinf isinf_v2 isnan
    isnan_v2 kldiv_loss kron kthvalue label_smooth lamb layer_norm leaky_relu lerp less_equal
    less_than lgamma linear_chain_crf linear_interp linear_interp_v2 linspace
    locality_aware_nms lod_array_length lod_reset lod_tensor_to_array log log10 log1p log2
    log_loss log_softmax logcumsumexp logical_and logical_not logical_or logical_xor logit
    logsigmoid logspace logsumexp lookup_table lookup_table_dequant lookup_table_v2 lrn lstm
    lstmp lstm_unit lstsq lu lu_unpack margin_cross_entropy margin_rank_loss masked_select
    match_matrix_tensor matmul matmul_v2 matmul_with_flatten matrix_nms matrix_power matrix_rank
    max max_pool2d_with_index max_pool3d_with_index maximum maxout mean mean_all mean_iou
    merge_lod_tensor merge_lod_tensor_infer merge_selected_rows meshgrid min mine_hard_examples
    minimum minus mish mode momentum moving_average_abs_max_scale mul multi_dot multiclass_nms
    multiclass_nms2 multiclass_nms3 multihead_matmul multinomial multiplex multiply mv nanmedian
    nearest_interp nearest_interp_v2 negative nll_loss nms nop norm not_equal numel one_hot
    one_hot_v2 p_norm pad pad2d pad3d partial_concat partial_sum pixel_shuffle pixel_unshuffle
    poisson polygamma polygon_box_transform pool2d pool3d positive_negative_pair pow
    precision_recall prelu print prior_box prod prroi_pool prune_gate_by_capacity psroi_pool
    put_along_axis pyramid_hash qr quantize quantize_linear quantized_conv2d quant_linear
    randint random_crop randperm range rank_attention rank_loss real reciprocal reduce_all
    reduce_amax reduce_amin reduce_any reduce_max reduce_mean reduce_min reduce_prod reduce_sum
    relu relu6 remainder renorm repeat_interleave requantize reshape reshape2
    resnet_basic_block resnet_unit retinanet_detection_output retinanet_target_assign reverse
    reverse_array rms_norm rmsprop rnn rnn_memory_helper roi_align roi_perspective_transform
    roi_pool roll round row_conv rpn_target_assign rsqrt sample_logits sampling_id scale
    scatter scatter_nd_add searchsorted seed segment_pool select_input select_output
    self_dp_attention
    selu sequence_concat sequence_conv sequence_enumerate sequence_erase sequence_expand
    sequence_expand_as sequence_mask sequence_pad sequence_pool sequence_reshape
    sequence_reverse sequence_scatter sequence_slice sequence_softmax sequence_topk_avg_pooling
    sequence_unpad set_parameter set_value set_value_ set_value_with_tensor set_value_with_tensor_
    sgd shadow_feed shadow_output shape shape64 shard_index share_data share_data_ share_buffer
    shrink_rnn_memory shuffle_batch shuffle_channel sigmoid sigmoid_cross_entropy_with_logits
    sigmoid_focal_loss sign silu similarity_focus sin sinh size skip_layernorm slice slogdeterminant
    smooth_l1_loss soft_relu softmax softmax_mask_fuse softmax_with_cross_entropy softplus
    softshrink softsign solve space_to_depth spectral_norm split split_lod_tensor split_with_num
    spp sqrt square squared_l2_distance squared_l2_norm squeeze squeeze2 stack stanh std
    strided_slice subtract sum svd swiglu swish switch_moe sync_batch_norm sync_batch_norm_
    take_along_axis tan tanh tanh_shrink target_assign teacher_student_sigmoid_loss
    temporal_shift tensor_array_to_tensor tensorrt_engine thresholded_relu tile top_k top_k_v2
    topk trace transpose transpose2 tree_conv triangular_solve tril tril_indices tril_triu
    trilinear_interp trilinear_interp_v2 triu trunc truncated_gaussian_random unbind unfold
    uniform uniform_random uniform_random_batch_size_like unique unique_consecutive
    unique_with_counts unpool unpool3d unsqueeze unsqueeze2 unstack update_loss_scaling
    var_conv_2d variance viterbi_decode warpctc warprnnt weight_only_linear
    weighted_sample_neighbors
    where where_index while write_to_array yield yolo_box yolo_box_head yolo_box_post yolov3_loss
    yolo_loss parameter full_ tuple_push tuple_pop stack_create has_elements memcpy memcpy_d2h
    memcpy_h2d memcpy_h2d_multi_io layer_norm_xpu nonzero sparse_attention expand_as_
    flash_attn_unpadded
    """.split()  # noqa: SIM905 - a table of names reads better as words
)
"""Operators of exported models, by their names in both formats."""


def is_program(span: Span) -> bool:
    """Whether the bytes are a message of blocks, each with its number and its parent's."""
    if span.read(0, 1) != b"\x0a":
        return False
    walk = Walk(PROGRAM)
    try:
        parts = list(fields(span, walk))
        blocks = [part for part in parts if part.number == 1]
        return (
            bool(blocks)
            and {part.number for part in parts} <= {1, 2, 3, 4, 5}
            and all(_is_block(block, walk) for block in blocks)
        )
    except ArtifactError:
        return False


def _is_block(block: Field, walk: Walk) -> bool:
    if not block.is_nested:
        return False
    held = {part.number: part.is_nested for part in fields(block.body, walk)}
    return held.get(1) is False and held.get(2) is False and held.keys() <= {1, 2, 3, 4, 5}


def judge_program(span: Span) -> Iterator[Said]:
    """Operators of a program that reach outside of it, or that nobody here knows.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    walk = Walk(PROGRAM)
    found: dict[str, str] = {}
    for block in fields(span, walk):
        for part in fields(block.body, walk) if block.number == 1 else ():
            if part.number == 4 and part.is_nested:  # noqa: PLR2004 - an operator
                kind, place = _operator(part, walk)
                found[kind] = found.get(kind) or place
    for kind, place in found.items():
        yield from _judged(kind, place)


_PLACES = frozenset({"file_path", "file_name", "endpoint", "endpoints", "epmap"})


def _operator(part: Field, walk: Walk) -> tuple[str, str]:
    kind = place = ""
    for inner in fields(part.body, walk):
        if inner.number == 3 and inner.is_nested:  # noqa: PLR2004 - its type
            kind = inner.text()
        elif inner.number == 4 and inner.is_nested:  # noqa: PLR2004 - an attribute
            said = {item.number: item for item in fields(inner.body, walk)}
            name = said[1].text() if 1 in said and said[1].is_nested else ""
            value = said.get(5) or said.get(8)
            if name in _PLACES and value is not None and value.is_nested:
                place = value.text()
    return kind, place


def _judged(kind: str, place: str) -> Iterator[Remark]:
    name = kind.removesuffix("_grad").removesuffix("_infer")
    shown = printable(kind)[:80]
    if name in _RUNS:
        text = f"has the operator {shown}, which calls Python of the process that runs it"
        yield Remark(Grade.DANGEROUS, kind, text, 0)
    elif name in _REACHES:
        where = f" at {printable(place)[:120]!r}" if place else ""
        text = f"has the operator {shown}, which reaches files or the network{where}"
        yield Remark(Grade.DANGEROUS if place else Grade.CODE, kind, text, 0)
    elif kind.removesuffix("_") not in _KNOWN and name not in _KNOWN and kind not in _KNOWN:
        yield Remark(Grade.UNKNOWN, kind, f"has the operator {shown!r}, which is not known here", 0)


# Since Paddle 3

_OPERATORS, _CUSTOM = "1.", "3."
"""Short names of the dialects of operators: Paddle's own, and of libraries from outside."""


def judge_json(data: bytes) -> Iterator[Said]:
    """The same of a program as JSON."""
    try:
        value = read_json(data)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    named = dict.fromkeys(name for node in objects_of(value) for name in _named(node.get("ops")))
    for name in named:
        if name.startswith(_OPERATORS):
            yield from _judged(name.removeprefix(_OPERATORS), "")
        elif name.startswith(_CUSTOM):
            shown = printable(name.removeprefix(_CUSTOM))[:80]
            text = f"has the operator {shown!r}, which a library outside must bring"
            yield Remark(Grade.CODE, shown, text, 0)


def _named(operators: object) -> Iterator[str]:
    """Names of operators; attributes and types have names of the same dialects."""
    for operator in operators if isinstance(operators, list) else ():
        name = operator.get("#") if isinstance(operator, dict) else None
        if isinstance(name, str):
            yield name


# Tensors

_WIDTHS = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16}
"""Types of elements to their bytes."""

_MAX_DESCRIPTION = 1 << 10
_MAX_TENSORS = 200_000
_MAX_LEVELS = 8


def is_parameters(span: Span) -> bool:
    """Whether the bytes are tensors, one after the other, to the last one."""
    if span.read(0, 4) != bytes(4):
        return False
    at = 0
    try:
        for _ in range(_MAX_TENSORS):
            at = _behind_tensor(span, at)
            if at == span.size:
                return True
    except (ArtifactError, ValueError):
        return False
    return False


def _behind_tensor(span: Span, at: int) -> int:
    levels = int.from_bytes(span.read(at + 4, 8), "little")
    if span.read(at, 4) != bytes(4) or levels > _MAX_LEVELS:
        raise ValueError
    at += 12
    for _ in range(levels):
        at += 8 + int.from_bytes(span.read(at, 8), "little")
    head = span.read(at, 8)
    size = int.from_bytes(head[4:], "little")
    if len(head) < 8 or head[:4] != bytes(4) or not 0 < size <= _MAX_DESCRIPTION:  # noqa: PLR2004
        raise ValueError
    at += 8 + size
    end = at + _tensor_bytes(span.part(at - size, size))
    if end > span.size:
        raise ValueError
    return end


def _tensor_bytes(description: Span) -> int:
    walk = Walk(PARAMETERS)
    width, count = 0, 1
    for part in fields(description, walk):
        if part.number == 1 and not part.is_nested:
            width = _WIDTHS.get(part.value, 0)
        elif part.number == 2:  # noqa: PLR2004 - the dimensions
            for size in numbers(part, walk):
                count *= size
    if not width or count < 0:
        raise ValueError
    return width * count
